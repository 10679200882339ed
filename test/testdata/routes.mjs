// Runs a CloudFront Function over events. Reads {code, events} from standard input, writes what the function returned
// for each event.
import { text } from 'node:stream/consumers';
import { runInNewContext } from 'node:vm';

const { code, events } = JSON.parse(await text(process.stdin));

// A context of its own has the language and nothing of Node.js, as CloudFront has.
const answers = runInNewContext(`${code}; events.map((event) => handler(event))`, { events });
process.stdout.write(JSON.stringify(answers));
