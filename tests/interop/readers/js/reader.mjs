// Looks artifacts up, and downloads them, with tuf-js as it is: requests on stdin, answers on stdout, one JSON a line.
// What they say stands in ../../clients.py. Its argument is the package, since several releases are here.

import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const { Updater } = await import(process.argv[2]);
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

async function look(updater, path, wanted, place) {
  try {
    const found = await updater.getTargetInfo(path);
    if (!found) return { found: null };
    // An answer that is no description of an artifact is none that anybody can use.
    const answer = { found: found.hashes.sha256 ?? Object.values(found.hashes)[0] };
    if (wanted) answer.bytes = sha256(readFileSync(await updater.downloadTarget(found, place)));
    return answer;
  } catch (error) {
    return { error: String(error) };
  }
}

async function session({ url, root, memory, paths, download }) {
  const metadataDir = `${memory}/metadata`;
  mkdirSync(metadataDir, { recursive: true });
  if (!existsSync(`${metadataDir}/root.json`)) copyFileSync(root, `${metadataDir}/root.json`);
  try {
    const updater = new Updater({ metadataDir, metadataBaseUrl: url, targetBaseUrl: `${url}targets/` });
    await updater.refresh();
    const answers = [];
    for (const path of paths) answers.push(await look(updater, path, download, `${memory}/content`));
    return { answers };
  } catch (error) {
    return { error: String(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await session(JSON.parse(line)))}\n`);
}
