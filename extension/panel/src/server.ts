// What the Jupyter server tells below /workbench/api: the shapes, and the one way to ask for them.

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

export interface Problem {
  message: string;
  hint: string | null;
}

export interface Kernel {
  kernel_id: string;
  expires_at: string | null;
  notices: string[];
  problem: Problem | null;
}

export interface Status {
  gateway: { url: string | null; kind: string; state: string; problem: Problem | null };
  untouched: string | null;
  kernels: Kernel[];
}

export interface Me {
  user: { username: string; display_name: string | null };
  key: {
    owner: string | null;
    use_case: string | null;
    expires_at: string | null;
    stage: string | null;
    budget: Record<string, number> | null;
    left: Record<string, number> | null;
  };
}

export interface Model {
  id: string;
  catalogue?: {
    task?: string;
    provider?: string;
    price?: { input?: number | null; output?: number | null } | null;
  };
}

export interface Prompt {
  name: string;
  production: { version: number | string | null; published_by: string | null } | null;
}

export interface Call {
  kernel_id: string | null;
  request_id: string;
  time: string;
  model: string | null;
  status: number | null;
  error_code: string | null;
  cost_usd: number | null;
}

export interface Usage {
  total: { calls: number; cost_usd: number };
}

/** An answer that was refused: what went wrong, and what to do. */
export class Refusal extends Error {
  constructor(problem: Problem) {
    super(problem.hint ? `${problem.message} ${problem.hint}` : problem.message);
  }
}

/** Asks the Jupyter server, signed in as its page is. */
export class Server {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  status(): Promise<Status> {
    return this.ask('status');
  }

  me(kernelId: string | null): Promise<Me> {
    return this.ask(`me${ofKernel(kernelId)}`);
  }

  usage(kernelId: string | null): Promise<Usage> {
    return this.ask(`usage${ofKernel(kernelId)}`);
  }

  async calls(): Promise<Call[]> {
    return (await this.ask<{ data: Call[] }>('calls?limit=20')).data;
  }

  async models(): Promise<Model[]> {
    return (await this.ask<{ data: Model[] }>('catalogue')).data;
  }

  async prompts(): Promise<Prompt[]> {
    return (await this.ask<{ data: Prompt[] }>('prompts')).data;
  }

  renew(kernelId: string): Promise<unknown> {
    return this.ask(`keys/${encodeURIComponent(kernelId)}/renew`, { method: 'POST' });
  }

  private async ask<T>(path: string, init: RequestInit = {}): Promise<T> {
    const url = URLExt.join(this.settings.baseUrl, 'workbench', 'api', path);
    const answer = await ServerConnection.makeRequest(url, init, this.settings);
    const told = await answer.json().catch(() => null);
    if (!answer.ok) {
      throw new Refusal(told?.message ? told : { message: `The Jupyter server answered ${answer.status}.`, hint: null });
    }
    return told as T;
  }
}

function ofKernel(kernelId: string | null): string {
  return kernelId ? `?kernel_id=${encodeURIComponent(kernelId)}` : '';
}
