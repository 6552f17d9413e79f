// `npm run check`: all that needs no guest: types, lint, layers, tidy, dead code, unit tests.

import { runTests, UNIT_TESTS } from './run-tests.ts';
import { runStaticChecks } from './static-checks.ts';

const clean = await runStaticChecks();
process.exitCode = clean ? await runTests(UNIT_TESTS) : 1;
