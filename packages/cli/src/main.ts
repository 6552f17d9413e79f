import { umbra } from './umbra.ts';

// Nothing that may still be open, such as stdin, shall keep the process.
process.exit(await umbra(process.argv.slice(2)));
