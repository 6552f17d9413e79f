// `npm test`: the static checks, then unit and integration tests in one run of node's test runner.
// With `--all` also the long suites in tests/long.

import { INTEGRATION_TESTS, LONG_TESTS, runTests, UNIT_TESTS } from './run-tests.ts';
import { runStaticChecks } from './static-checks.ts';

const clean = await runStaticChecks();
const patterns = [...UNIT_TESTS, ...INTEGRATION_TESTS];
if (process.argv.includes('--all')) patterns.push(...LONG_TESTS);
process.exitCode = clean ? await runTests(patterns) : 1;
