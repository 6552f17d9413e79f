import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUnitTests } from './unittests-cfg.ts';

test('sections, defaults, quotes and comments', () => {
  const tests = parseUnitTests(`
# comment
[x2apic]
file = apic.flat
smp = 2
qemu_params = -cpu qemu64,+x2apic -m 2048
arch = x86_64
timeout = 30
groups = apic tasks

[vmexit_cpuid]
test_args = 'cpuid  twice'
#[init]
`);
  assert.deepEqual(tests, [
    {
      name: 'x2apic',
      file: 'apic.flat',
      arch: 'x86_64',
      processorCount: 2,
      groups: ['apic', 'tasks'],
      args: '',
      qemuArgs: ['-cpu', 'qemu64,+x2apic', '-m', '2048'],
      timeoutSeconds: 30,
    },
    {
      name: 'vmexit_cpuid',
      file: 'vmexit_cpuid.flat',
      arch: undefined,
      processorCount: 1,
      groups: [],
      args: 'cpuid  twice',
      qemuArgs: [],
      timeoutSeconds: 90,
    },
  ]);
});
