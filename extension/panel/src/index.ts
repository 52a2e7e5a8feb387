// The plugin: a panel in the right sidebar.

import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { LabIcon } from '@jupyterlab/ui-components';

import { WorkbenchPanel } from './panel';
import { Server } from './server';

const ICON = new LabIcon({
  name: 'genai-workbench:bench',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">
  <g class="jp-icon3" fill="#616161"><path d="M1 4h14v2h-1v7h-2V9H4v4H2V6H1z"/><circle cx="8" cy="2" r="1.5"/></g></svg>`
});

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'genai-workbench-panel:plugin',
  description: 'Key, budget, models, prompts and last calls of the GenAI workbench.',
  autoStart: true,
  optional: [ILayoutRestorer],
  activate: (app: JupyterFrontEnd, restorer: ILayoutRestorer | null) => {
    const panel = new WorkbenchPanel(app.shell, new Server(app.serviceManager.serverSettings));
    panel.title.icon = ICON;
    app.shell.add(panel, 'right', { rank: 900 });
    restorer?.add(panel, panel.id);
    app.commands.addCommand('genai-workbench:open', {
      label: 'GenAI Workbench: Open Panel',
      execute: () => app.shell.activateById(panel.id)
    });
  }
};

export default plugin;
