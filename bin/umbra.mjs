#!/usr/bin/env node
// The `umbra` command: hands over to packages/cli under the pinned Node.js.
import { launch } from '../tools/bootstrap.mjs';

process.exitCode = await launch('packages/cli/src/main.ts', process.argv.slice(2));
