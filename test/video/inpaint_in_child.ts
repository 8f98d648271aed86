// Inpaints a file in a process of its own, for memory.test.ts, and tells the result and the peak of
// resident memory.
import { Inpainter } from '../../lib/index.js';
import { inpaintFile } from '../../lib/video/index.js';

const [, , input = '', mask = '', output = '', options = '{}'] = process.argv;
await using inpainter = await Inpainter.create({ device: 'cpu', ...JSON.parse(options) });
const resident = process.memoryUsage().rss;
const result = await inpaintFile(inpainter, { input, mask, output });
const peak = process.resourceUsage().maxRSS * 1024;
process.stdout.write(JSON.stringify({ ...result, resident, peak }));
