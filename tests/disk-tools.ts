import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { runCommand } from '../guests/command.ts';
import { buildGuestSets } from '../guests/guest-sets.ts';

/** Other people's programs for disk images, as Debian packages have them. */
export class DiskTools {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Undefined, with the test skipped, where these programs cannot run. */
  static async open(context: TestContext): Promise<DiskTools | undefined> {
    if (process.arch === 'x64' && process.platform === 'linux') {
      const folder = (await buildGuestSets(['disk-tools'], () => undefined))['disk-tools'];
      const tools = new DiskTools(folder);
      const reason = await tools.#run(join(folder, 'qemu-img'), ['--version']);
      const python = await tools.#run('python3', ['--version']);
      if (reason.status === 0 && python.status === 0) return tools;
      context.skip(`the programs do not run here: ${reason.stderr}${python.stderr}`);
      return undefined;
    }
    context.skip('the programs come as Debian packages for amd64');
    return undefined;
  }

  /** Runs qemu-img; its output, with the status in front when that is not 0. */
  async qemuImg(...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.#run(join(this.#folder, 'qemu-img'), args);
    return status === 0 ? stdout.toString() : `status ${status}: ${stdout}${stderr}`;
  }

  async #run(file: string, args: readonly string[]): ReturnType<typeof runCommand> {
    const folder = dirname(join(this.#folder, 'x'));
    return await runCommand(file, args, { env: { ...process.env, LD_LIBRARY_PATH: folder } });
  }
}
