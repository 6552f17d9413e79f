import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { runCommand } from '../guests/command.ts';
import { buildGuestSets } from '../guests/guest-sets.ts';

/** Reads a chain of VHDs, the base first, through libvhdi, and prints the SHA-256 of the last. */
const LIBVHDI_READER = `
import ctypes, hashlib, sys
library = ctypes.CDLL(sys.argv[1])
def call(name, *arguments):
    if getattr(library, name)(*arguments, None) < 1: sys.exit(name + ' failed')
parent = None
for path in sys.argv[2:]:
    image = ctypes.c_void_p()
    call('libvhdi_file_initialize', ctypes.byref(image))
    call('libvhdi_file_open', image, path.encode(), 1)
    if parent: call('libvhdi_file_set_parent_file', image, parent)
    parent = image
size = ctypes.c_uint64()
call('libvhdi_file_get_media_size', image, ctypes.byref(size))
digest = hashlib.sha256()
buffer = ctypes.create_string_buffer(1 << 20)
read = library.libvhdi_file_read_buffer_at_offset
read.restype = ctypes.c_ssize_t
read.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_void_p]
at = 0
while at < size.value:
    count = read(image, buffer, min(1 << 20, size.value - at), at, None)
    if count <= 0: sys.exit('read failed')
    digest.update(buffer.raw[:count])
    at += count
print(digest.hexdigest())
`;

/** Other people's programs for disk images, as Debian packages have them. */
export class DiskTools {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Undefined, with the test skipped, where these programs cannot run. */
  static async open(context: TestContext): Promise<DiskTools | undefined> {
    if (process.arch !== 'x64' || process.platform !== 'linux') {
      context.skip('the programs come as Debian packages for amd64');
      return undefined;
    }
    const folder = (await buildGuestSets(['disk-tools'], () => undefined))['disk-tools'];
    const tools = new DiskTools(folder);
    const version = await tools.qemuImg('--version');
    if (!version.startsWith('status')) return tools;
    context.skip(`qemu-img does not run here: ${version}`);
    return undefined;
  }

  /** Runs qemu-img; its output, with the status in front when that is not 0. */
  async qemuImg(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, LD_LIBRARY_PATH: this.#folder };
    const path = join(this.#folder, 'qemu-img');
    const { status, stdout, stderr } = await runCommand(path, args, { env });
    return status === 0 ? stdout.toString() : `status ${status}: ${stdout}${stderr}`;
  }

  /** SHA-256 of what libvhdi reads of a chain, given from the base on. */
  async libvhdiSum(...paths: readonly string[]): Promise<string> {
    const library = join(this.#folder, 'libvhdi.so.1');
    const { status, stdout, stderr } = await runCommand('python3', [
      ...['-c', LIBVHDI_READER, library],
      ...paths,
    ]);
    return status === 0 ? stdout.toString().trim() : `status ${status}: ${stderr}`;
  }
}
