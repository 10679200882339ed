// Runs a CloudFront Function on events. Reads {code, events} from standard input, and writes the results of the function.
import { text } from 'node:stream/consumers';
import { runInNewContext } from 'node:vm';

const { code, events } = JSON.parse(await text(process.stdin));

// A separate context has the language and nothing of Node.js, as in CloudFront.
const answers = runInNewContext(`${code}; events.map((event) => handler(event))`, { events });
process.stdout.write(JSON.stringify(answers));
