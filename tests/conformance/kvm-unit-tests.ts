// kvm-unit-tests: which tests of a checkout apply to Umbra, and how Umbra and QEMU run one.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UmbraError } from '@umbra/base';
import { parseUnitTests, type UnitTest } from './unittests-cfg.ts';

const UMBRA = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const MEMORY_MIB = 128;
/** Built, and worth running, but without a section in unittests.cfg. */
const UNLISTED = ['hpet_read_test'];

const OTHER_MODEL = 'needs another processor model, and there is one';
/** Why tests do not apply, by a name, binary or group of theirs. */
const NOT_APPLICABLE: Readonly<Record<string, string>> = {
  access_fep: "needs KVM's prefix that forces emulation",
  'access-reduced-maxphyaddr': 'needs a host whose KVM narrows addresses',
  asyncpf: "a paravirtual interface of KVM's",
  cet: 'CET is not claimed, and the test needs 2 processors',
  hypercall: "hypercalls of KVM's",
  hyperv: "paravirtual interfaces of Hyper-V's",
  intel_iommu: "needs a Q35 with QEMU's IOMMU and edu device",
  kvmclock_test: "a paravirtual clock of KVM's",
  lam: 'LAM is not claimed',
  msr64: OTHER_MODEL,
  'pcid-asymmetric': OTHER_MODEL,
  'pcid-disabled': OTHER_MODEL,
  pks: 'protection keys are not claimed',
  pku: 'protection keys are not claimed',
  pmu: 'no performance counters are claimed',
  s3: 'suspend to RAM is not there',
  smptest3: 'the same as smptest with one processor',
  svm: 'nested virtualization',
  svm_npt: 'nested virtualization',
  'tsx-ctrl': 'TSX is not claimed',
  vmexit: 'times exits to a hypervisor, judges nothing',
  vmware_backdoors: "a paravirtual interface of VMware's",
  vmx: 'nested virtualization',
  xapic: OTHER_MODEL,
};

/** Tests with parts for KVM alone, which they leave out as on a machine without a test device. */
const LIKE_HARDWARE: readonly string[] = ['syscall', 'x2apic'];

/** A test with the file it is in, or the reason why it is not run. */
export interface PlannedTest extends UnitTest {
  readonly path: string;
  readonly reason: string | undefined;
}

export interface Checkout {
  readonly arch: string;
  readonly tests: readonly PlannedTest[];
}

/** Reads what a built checkout holds; throws UmbraError. */
export function readCheckout(folder: string): Checkout {
  const arch = /^ARCH=(\S+)$/m.exec(readInput(folder, 'config.mak'))?.[1] ?? '';
  if (arch !== 'x86_64' && arch !== 'i386') {
    throw new UmbraError(
      'CHECKOUT_ARCH',
      `The checkout ${folder} is configured for "${arch}", expected x86_64 or i386`,
      { folder, arch },
    );
  }
  const listed = parseUnitTests(readInput(folder, 'x86/unittests.cfg'));
  const unlisted = parseUnitTests(UNLISTED.map((name) => `[${name}]`).join('\n'));
  const tests = [...listed, ...unlisted]
    .filter((test) => test.arch === undefined || test.arch === arch)
    .map((test) => {
      const path = join(folder, 'x86', test.file);
      return { ...test, path, reason: reasonAgainst(test, path) };
    });
  return { arch, tests };
}

function reasonAgainst(test: UnitTest, path: string): string | undefined {
  for (const name of [test.name, test.file.replace('.flat', ''), ...test.groups]) {
    if (name in NOT_APPLICABLE) return NOT_APPLICABLE[name];
  }
  return existsSync(path) ? undefined : 'not built for this architecture';
}

function readInput(folder: string, name: string): string {
  const path = join(folder, name);
  if (existsSync(path)) return readFileSync(path, 'utf8');
  throw new UmbraError(
    'CHECKOUT_NOT_BUILT',
    `No ${path} was found, expected a built checkout of kvm-unit-tests: ` +
      'git clone https://gitlab.com/kvm-unit-tests/kvm-unit-tests.git, ' +
      './configure --arch=x86_64 (or i386), make',
    { path },
  );
}

/** The module that tells a test about the machine. */
export function environmentOf(test: UnitTest): string {
  const lines = ['NR_CPUS=1', `MEMSIZE=${MEMORY_MIB}`];
  if (LIKE_HARDWARE.includes(test.name)) lines.push('TEST_DEVICE=0');
  return `${lines.join('\n')}\n`;
}

/** The command that runs a test in Umbra, with its environment in a file. */
export function umbraCommand(test: PlannedTest, environment: string, engine: string): string[] {
  return [
    ...[process.execPath, UMBRA, 'run', '--multiboot', test.path, '--module', environment],
    ...['--test-device', '--debug-exit', '--memory', `${MEMORY_MIB}`, '--engine', engine],
    ...['--append', `${test.file} ${test.args}`.trimEnd()],
  ];
}

/** The same in QEMU with its translator, on the processor that the suite asks for. */
export function qemuCommand(test: PlannedTest, environment: string): string[] {
  return [
    ...['qemu-system-x86_64', '-accel', 'tcg', '-m', `${MEMORY_MIB}`, '-no-reboot', '-nodefaults'],
    ...['-display', 'none', '-serial', 'stdio', '-device', 'pc-testdev', '-device', 'pci-testdev'],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x4', ...test.qemuArgs],
    ...['-kernel', test.path, '-initrd', environment, '-append', test.args],
  ];
}
