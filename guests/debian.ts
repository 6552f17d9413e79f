// Fetches and unpacks Debian packages without root: apt runs on a state of its own inside a folder,
// so that neither the host's package lists nor its dpkg database are touched, and i386 packages can
// be had on an amd64 host.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UmbraError } from '@umbra/base';
import { runCommand } from './command.ts';

export type DebianArchitecture = 'amd64' | 'i386';

const RELEASE = 'bookworm';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const DEFAULT_MIRROR = 'http://deb.debian.org/debian';
const DEFAULT_SECURITY_MIRROR = 'http://deb.debian.org/debian-security';

/** A private package manager that works in one folder of ours. */
export class PrivateApt {
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(folder: string, environment: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#environment = environment;
  }

  /** Whether this host has the tools that PrivateApt needs. */
  static isAvailable(): boolean {
    return ['/usr/bin/apt-get', '/usr/bin/dpkg-deb'].every((path) => existsSync(path));
  }

  /** Sets up `folder` and fetches the package lists. */
  static async open(folder: string, warn: (line: string) => void): Promise<PrivateApt> {
    for (const path of ['state/lists/partial', 'cache/archives/partial', 'etc', 'debs']) {
      mkdirSync(join(folder, path), { recursive: true });
    }
    writeFileSync(join(folder, 'state/status'), '');
    writeFileSync(join(folder, 'etc/sources.list'), sourcesList());
    writeFileSync(join(folder, 'etc/apt.conf'), await configuration(folder));
    // A file named by APT_CONFIG is read before the host's own, which it keeps from being read.
    const environment = { ...process.env, APT_CONFIG: join(folder, 'etc/apt.conf'), LC_ALL: 'C' };
    const apt = new PrivateApt(folder, environment);
    // One list that a mirror is just renewing must not stop us: the others hold a kernel too.
    const update = await runCommand('apt-get', ['update', '-qq'], { env: environment });
    if (update.status !== 0) warn(reasonOf(update.stderr));
    return apt;
  }

  /** The version of `name` (`package:architecture`) that is fetched. */
  async version(name: string): Promise<string> {
    const text = await this.#run('apt-cache', ['show', '--no-all-versions', name]);
    return /^Version: (.*)$/m.exec(text)?.[1] ?? '';
  }

  /** The package that the metapackage `name` stands for: its first dependency on `prefix`... */
  async dependency(name: string, prefix: string): Promise<string> {
    const text = await this.#run('apt-cache', ['show', '--no-all-versions', name]);
    const depends = /^Depends: (.*)$/m.exec(text)?.[1] ?? '';
    const match = depends.split(/[ ,|]+/).find((word) => word.startsWith(prefix));
    if (match !== undefined) return match;
    throw new UmbraError(
      'GUEST_PACKAGE',
      `The package ${name} depends on "${depends}", expected a package named ${prefix}...`,
    );
  }

  /** Fetches one package (`name:architecture`); returns the path of its .deb file. */
  async download(name: string): Promise<string> {
    const folder = join(this.#folder, 'debs', name.replace(':', '_'));
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await this.#run('apt-get', ['download', '-qq', name], folder);
    const file = readdirSync(folder).find((entry) => entry.endsWith('.deb'));
    if (file === undefined) {
      throw new UmbraError('GUEST_PACKAGE', `apt-get fetched no .deb file for ${name}`);
    }
    return join(folder, file);
  }

  async #run(command: string, args: readonly string[], cwd?: string): Promise<string> {
    const where = cwd === undefined ? {} : { cwd };
    const result = await runCommand(command, args, { ...where, env: this.#environment });
    if (result.status === 0) return result.stdout.toString();
    throw new UmbraError(
      'GUEST_APT',
      `${command} ${args.join(' ')} ended with status ${result.status}: ${reasonOf(result.stderr)}`,
    );
  }
}

/** Unpacks the files of a .deb whose paths match `wanted` (tar patterns, as `./boot/*`). */
export async function unpackDeb(
  deb: string,
  target: string,
  wanted: readonly string[],
): Promise<void> {
  mkdirSync(target, { recursive: true });
  const archive = await runCommand('dpkg-deb', ['--fsys-tarfile', deb]);
  if (archive.status !== 0) {
    throw new UmbraError(
      'GUEST_PACKAGE',
      `dpkg-deb cannot read ${deb}: ${lastLine(archive.stderr)}`,
    );
  }
  const args = ['-x', '-C', target, '--no-same-owner', '--wildcards', ...wanted];
  const tar = await runCommand('tar', args, { input: archive.stdout });
  if (tar.status !== 0) {
    throw new UmbraError(
      'GUEST_PACKAGE',
      `The package ${deb} lacks one of ${wanted.join(', ')}: ${lastLine(tar.stderr)}`,
    );
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** apt says first what went wrong, then what follows from it. */
function reasonOf(stderr: string): string {
  return stderr.split('\n').find((line) => line.startsWith('E:')) ?? lastLine(stderr);
}

async function configuration(folder: string): Promise<string> {
  return `Dir "${folder}";
Dir::State "${folder}/state";
Dir::State::status "${folder}/state/status";
Dir::Cache "${folder}/cache";
Dir::Etc "${folder}/etc";
Dir::Etc::main "none";
Dir::Etc::parts "none";
Dir::Etc::sourcelist "sources.list";
Dir::Etc::sourceparts "none";
Dir::Etc::preferencesparts "none";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "i386"; };
APT::Sandbox::User "${process.getuid?.() === 0 ? 'root' : ''}";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
${await proxySettings()}`;
}

/** The host's proxies, which our private configuration would otherwise not see. */
async function proxySettings(): Promise<string> {
  const dump = await runCommand('apt-config', ['dump', '--no-empty']);
  const lines = dump.stdout.toString().split('\n');
  return `${lines.filter((line) => /^Acquire::https?::Proxy/i.test(line)).join('\n')}\n`;
}

function sourcesList(): string {
  const mirrors = hostMirrors();
  const main = mirrors.find((uri) => /\/debian\/?$/.test(uri)) ?? DEFAULT_MIRROR;
  const security =
    mirrors.find((uri) => /debian-security\/?$/.test(uri)) ?? DEFAULT_SECURITY_MIRROR;
  const options = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : '';
  return [
    `deb ${options}${main} ${RELEASE} main`,
    `deb ${options}${main} ${RELEASE}-updates main`,
    `deb ${options}${security} ${RELEASE}-security main`,
    '',
  ].join('\n');
}

/** The URIs of the host's package sources, in both formats of apt. */
function hostMirrors(): string[] {
  const parts = '/etc/apt/sources.list.d';
  const files = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  return ['/etc/apt/sources.list', ...files]
    .filter((path) => existsSync(path) && /\.(?:list|sources)$/.test(path))
    .flatMap((path) => {
      const text = readFileSync(path, 'utf8').replace(/^\s*#.*$/gm, '');
      return [...text.matchAll(/\bhttps?:\/\/\S+/g)].map((match) => match[0]);
    });
}
