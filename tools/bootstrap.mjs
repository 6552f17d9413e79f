// Runs a TypeScript file of this repository under the pinned Node.js, from whatever Node.js (20 or
// newer) is at hand: installs the npm packages when they are missing or out of date, installs the
// Debian packages that were asked for, then starts the pinned binary and passes signals and the
// exit status through. Plain JavaScript without dependencies, because nothing is installed yet.
//
//   node tools/bootstrap.mjs [--deb PACKAGE,...] FILE.ts [ARGUMENT...]

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lock.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stampPath = join(modules, '.umbra-lock-hash');
const lockPath = join(root, '.cache', 'bootstrap.lock');

/** The runtime must strip types and link wasm cheaply; both are good from this release line on. */
const NODE_MAJOR_MIN = 24;

class BootstrapError extends Error {}

/** Runs `file` (a path inside the repository) with `args`; resolves to its exit status. */
export async function launch(file, args, options = {}) {
  try {
    await installModules();
    installDebianPackages(options.debianPackages ?? []);
    return await runPinned(join(root, file), args);
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    process.stderr.write(`umbra: ${error.message}\n`);
    return 2;
  }
}

function say(line) {
  process.stderr.write(`umbra: ${line}\n`);
}

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

function modulesAreCurrent() {
  return existsSync(stampPath) && readFileSync(stampPath, 'utf8') === lockHash();
}

async function installModules() {
  if (modulesAreCurrent()) return;
  const onWait = () => say('waiting for another process that is installing');
  await withLock(lockPath, onWait, async () => {
    if (modulesAreCurrent()) return; // Another process did it while this one waited.
    say('installing npm packages (about a minute the first time)');
    const started = Date.now();
    // Not `npm ci`: it fails where a registry lacks the binaries of other platforms, which the lock
    // file then cannot list. This installs what the lock file says just the same, and leaves it.
    const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
    const result = await run('npm', ['--prefix', root, ...args]);
    if (result !== 0) {
      throw new BootstrapError(
        `npm install ended with status ${result}; is the npm registry reachable? (npm ping)`,
      );
    }
    writeFileSync(stampPath, lockHash());
    say(`npm packages are in place (${Math.round((Date.now() - started) / 1000)} s)`);
  });
}

function installDebianPackages(names) {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) {
    throw new BootstrapError(
      `this needs the Debian packages ${missing.join(', ')}, and there is no apt-get here`,
    );
  }
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (sudo.length > 0 && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status !== 0) {
    throw new BootstrapError(
      `this needs Debian packages; install them with: sudo apt-get install ${missing.join(' ')}`,
    );
  }
  const apt = (args) => {
    const [command, ...rest] = [
      ...sudo,
      'env',
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      ...args,
    ];
    return spawnSync(command, rest, { stdio: ['ignore', 'ignore', 'inherit'] }).status;
  };
  say(`installing Debian packages: ${missing.join(' ')}`);
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...missing];
  // Package lists may be missing or older than the mirror: refresh them once before giving up.
  if (apt(install) !== 0 && (apt(['update', '-qq']) !== 0 || apt(install) !== 0)) {
    throw new BootstrapError(`apt-get could not install ${missing.join(' ')}`);
  }
}

function isInstalled(name) {
  const query = spawnSync('dpkg-query', ['-W', '-f=\x24{db:Status-Status}', name], {
    encoding: 'utf8',
  });
  return query.status === 0 && query.stdout === 'installed';
}

/** The pinned binary, else this very process's if it is new enough (hosts without a pinned one). */
function nodeBinary() {
  const pinned = join(modules, `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(pinned)) return pinned;
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN) return process.execPath;
  throw new BootstrapError(
    `no pinned Node.js for ${process.platform}-${process.arch}: expected Node.js ${NODE_MAJOR_MIN} or newer, found ${process.versions.node}`,
  );
}

function runPinned(file, args) {
  const binary = nodeBinary();
  // Children that say just `node` get the pinned one too.
  const path = `${dirname(binary)}${delimiter}${process.env.PATH ?? ''}`;
  // Sources are stripped of their types and compiled once, not at every start.
  const compileCache = process.env.NODE_COMPILE_CACHE ?? join(root, '.cache', 'compile');
  const env = { ...process.env, PATH: path, NODE_COMPILE_CACHE: compileCache };
  return run(binary, [file, ...args], env);
}

/** Resolves to the exit status, 128 + n for death by signal n, as shells count. */
function run(command, args, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'inherit', env });
    const forward = (signal) => child.kill(signal);
    // The terminal sends SIGINT and SIGQUIT to the child itself; here they must only not kill us.
    const ignore = () => undefined;
    process.on('SIGINT', ignore).on('SIGQUIT', ignore);
    process.on('SIGTERM', forward).on('SIGHUP', forward);
    child.on('error', (error) => {
      reject(new BootstrapError(`${command} could not be started: ${error.message}`));
    });
    child.on('exit', (code, signal) => {
      process.off('SIGINT', ignore).off('SIGQUIT', ignore);
      process.off('SIGTERM', forward).off('SIGHUP', forward);
      resolve(signal === null ? code : 128 + (constants.signals[signal] ?? 0));
    });
  });
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const debianPackages = args[0] === '--deb' ? args.splice(0, 2)[1].split(',') : [];
  const [file, ...rest] = args;
  process.exitCode = await launch(file, rest, { debianPackages });
}
