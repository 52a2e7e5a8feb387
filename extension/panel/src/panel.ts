// The panel: asks while it is seen, and draws what is told. A part that can't be told does not hide the others.

import { JupyterFrontEnd } from '@jupyterlab/application';
import { Message } from '@lumino/messaging';
import { Poll } from '@lumino/polling';
import { Widget } from '@lumino/widgets';

import { button, Cell, element, facts, section, table, until, usd, warning } from './drawing';
import { Call, Me, Model, Prompt, Server, Status, Usage } from './server';

const OFTEN = 3_000;
const SELDOM_EVERY = 10; // rounds between two looks at models and prompts
const MODELS_SHOWN = 50;

const PARTS: Record<string, string> = {
  usd_per_day: 'a day',
  usd_per_month: 'a month',
  usd_total: 'in all'
};

type Told<T> = T | Error | null;

export class WorkbenchPanel extends Widget {
  private readonly poll: Poll;
  private round = 0;
  private status: Told<Status> = null;
  private me: Told<Me> = null;
  private usage: Told<Usage> = null;
  private calls: Told<Call[]> = null;
  private models: Told<Model[]> = null;
  private prompts: Told<Prompt[]> = null;

  constructor(
    private readonly shell: JupyterFrontEnd.IShell,
    private readonly server: Server
  ) {
    super();
    this.id = 'genai-workbench-panel';
    this.addClass('wbp-panel');
    this.title.caption = 'GenAI workbench: key, budget, models, prompts, calls';
    this.poll = new Poll({
      name: 'genai-workbench-panel:poll',
      auto: false,
      factory: () => this.look(),
      frequency: { interval: OFTEN, backoff: true, max: 60_000 },
      standby: () => !this.isVisible
    });
  }

  dispose(): void {
    this.poll.dispose();
    super.dispose();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this.poll.start().then(() => this.poll.refresh());
  }

  /** The kernel of the notebook or console in front. */
  private kernelId(): string | null {
    const front = this.shell.currentWidget as {
      sessionContext?: { session?: { kernel?: { id: string } | null } | null };
      context?: { sessionContext?: { session?: { kernel?: { id: string } | null } | null } };
    } | null;
    const context = front?.sessionContext ?? front?.context?.sessionContext;
    return context?.session?.kernel?.id ?? null;
  }

  private async look(): Promise<void> {
    const seldom = this.round++ % SELDOM_EVERY === 0;
    this.status = await told(this.server.status());
    const front = this.kernelId();
    const mounted = is(this.status) && this.status.kernels.some(one => one.kernel_id === front);
    const kernel = mounted ? front : null;
    const before = newest(this.calls);
    [this.me, this.calls] = await Promise.all([told(this.server.me(kernel)), told(this.server.calls())]);
    // The sum over all kernels is dear to the gateway, and changes with a call alone.
    if (seldom || !is(this.usage) || newest(this.calls) !== before) {
      this.usage = await told(this.server.usage(null));
    }
    if (seldom || !is(this.models) || !is(this.prompts)) {
      [this.models, this.prompts] = await Promise.all([told(this.server.models()), told(this.server.prompts())]);
    }
    this.draw(kernel);
  }

  private draw(kernel: string | null): void {
    const scrolled = this.node.scrollTop;
    const parts = [
      ...this.problems(),
      this.who(kernel),
      this.spent(),
      this.catalogue(),
      this.published()
    ];
    this.node.replaceChildren(...parts);
    this.node.scrollTop = scrolled;
  }

  private problems(): HTMLElement[] {
    if (!is(this.status)) {
      return this.status ? [warning(this.status.message)] : [];
    }
    const { gateway, untouched, kernels } = this.status;
    const told = [gateway.problem, ...kernels.map(one => one.problem)].filter(one => one !== null);
    const words = new Set(told.map(one => (one.hint ? `${one.message} ${one.hint}` : one.message)));
    return [...words, ...(untouched ? [untouched] : [])].map(warning);
  }

  private who(kernel: string | null): HTMLElement {
    if (!is(this.me)) {
      return section('You', failed(this.me));
    }
    const { user, key } = this.me;
    const mounted = is(this.status) ? this.status.kernels.find(one => one.kernel_id === kernel) : undefined;
    const rows: [string, Cell][] = [
      ['Signed in as', user.display_name || user.username],
      ['Keys belong to', key.use_case ? `${key.owner} for ${key.use_case}` : (key.owner ?? 'unknown')],
      ['Stage', key.stage ?? 'unknown']
    ];
    if (mounted && kernel) {
      const renew = button('Renew', "Put a new key in the place of this kernel's", () => void this.renew(kernel));
      rows.push(['Key ends', element('span', [until(mounted.expires_at), ' ', renew])]);
    }
    for (const [name, words] of Object.entries(PARTS)) {
      const cap = key.budget?.[name];
      const left = key.left?.[name];
      if (left !== undefined) {
        rows.push([`Left ${words}`, cap === undefined ? usd(left) : `${usd(left)} of ${usd(cap)}`]);
      }
    }
    if (!Object.keys(PARTS).some(name => key.left?.[name] !== undefined)) {
      rows.push(['Budget', 'none']);
    }
    return section('You', [facts(rows)]);
  }

  private spent(): HTMLElement {
    if (!is(this.calls)) {
      return section('Last calls', failed(this.calls));
    }
    const sum = is(this.usage)
      ? [element('p', `Calls of this server: ${this.usage.total.calls}, for ${usd(this.usage.total.cost_usd)} in all.`)]
      : failed(this.usage);
    const rows = this.calls.map(call => [
      new Date(call.time).toLocaleTimeString(),
      call.model ?? '',
      call.error_code ?? String(call.status ?? ''),
      usd(call.cost_usd)
    ]);
    return section('Last calls', [...sum, table(['Time', 'Model', 'Result', 'Cost'], rows, 'No call yet.')]);
  }

  private catalogue(): HTMLElement {
    if (!is(this.models)) {
      return section('Models', failed(this.models));
    }
    const rows = this.models.slice(0, MODELS_SHOWN).map(model => {
      const price = model.catalogue?.price;
      return [model.id, model.catalogue?.task ?? '', `${usd(price?.input)} / ${usd(price?.output)}`];
    });
    const more = this.models.length - rows.length;
    const note = more > 0 ? [element('p', `${more} more: %models lists all.`, 'wbp-none')] : [];
    return section('Models', [
      table(['Model', 'For', 'In / out'], rows, 'No model may be called.'),
      element('p', 'US dollars per million tokens that go in and come out.', 'wbp-none'),
      ...note
    ]);
  }

  private published(): HTMLElement {
    if (!is(this.prompts)) {
      return section('Prompts', failed(this.prompts));
    }
    const rows = this.prompts.map(prompt => [
      prompt.name,
      prompt.production ? String(prompt.production.version) : 'none',
      prompt.production?.published_by ?? ''
    ]);
    return section('Prompts', [table(['Prompt', 'Production', 'By'], rows, 'No prompt is published yet.')]);
  }

  private async renew(kernelId: string): Promise<void> {
    const failure = await told(this.server.renew(kernelId));
    await this.poll.refresh();
    if (failure instanceof Error) {
      this.node.prepend(warning(failure.message));
    }
  }
}

/** The id of the newest call. */
function newest(calls: Told<Call[]>): string | undefined {
  return is(calls) ? calls[0]?.request_id : undefined;
}

function is<T>(value: Told<T>): value is T {
  return value !== null && !(value instanceof Error);
}

async function told<T>(asked: Promise<T>): Promise<T | Error> {
  try {
    return await asked;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function failed(value: Told<unknown>): HTMLElement[] {
  return [element('p', value instanceof Error ? value.message : 'Asking ...', 'wbp-none')];
}
