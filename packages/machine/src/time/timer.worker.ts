// The timer thread of one processor.

import { workerData } from 'node:worker_threads';
import { type PendingWord, watchDeadlines } from './deadline-watch.ts';
import { monotonicNs } from './host-time.ts';

const { block, pending } = workerData as { block: SharedArrayBuffer; pending: PendingWord };
watchDeadlines(block, pending, monotonicNs);
