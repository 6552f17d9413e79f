import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand } from '../guests/command.ts';
import { buildGuestSets } from '../guests/guest-sets.ts';
import { buildAcpiTables, placeAcpiTables } from '../packages/machine/src/firmware/acpi-tables.ts';

const LISTED = ['DSDT', 'FACP', 'APIC', 'HPET'] as const;

test("ACPI's own compiler reads our tables and has nothing to complain of", async (context) => {
  if (process.arch !== 'x64' || process.platform !== 'linux') {
    context.skip('the compiler comes as a Debian package for amd64');
    return;
  }
  const tools = (await buildGuestSets(['tools'], () => undefined)).tools;
  const iasl = join(tools, 'iasl');
  const folder = await mkdtemp(join(tmpdir(), 'umbra-acpi-'));
  try {
    const tables = Buffer.from(
      placeAcpiTables(buildAcpiTables({ hasFloppy: true }), 0x10_0000).tables,
    );
    let at = 64;
    for (const name of LISTED) {
      const start = tables.indexOf(name, at);
      at = start + tables.readUInt32LE(start + 4);
      await writeFile(join(folder, `${name}.aml`), tables.subarray(start, at));
      const { status } = await runCommand(iasl, ['-d', `${name}.aml`], { cwd: folder });
      assert.equal(status, 0, name);
      const source = await readFile(join(folder, `${name}.dsl`), 'utf8');
      assert.doesNotMatch(source, /invalid|incorrect|unknown/i, name);
      const compiled = await runCommand(iasl, [`${name}.dsl`], { cwd: folder });
      assert.match(compiled.stdout.toString() + compiled.stderr, / 0 Errors, 0 Warnings/, name);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
