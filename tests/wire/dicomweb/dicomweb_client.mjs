// dicomweb-client, by which OHIF and others speak DICOMweb, in jsdom's XMLHttpRequest: it does the calls that it is told
// by standard input ({"url", "token", "calls": [[method, options], …]}) and prints their outcomes as JSON.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(new URL('../../../web/package.json', import.meta.url));
const { JSDOM } = require('jsdom');
const dcmjs = require('dcmjs');
const { api } = require('dicomweb-client');
dcmjs.log.setLevel('silent');

const told = JSON.parse(readFileSync(0, 'utf8'));
const page = new JSDOM('', { url: new URL(told.url).origin });
globalThis.XMLHttpRequest = page.window.XMLHttpRequest;

/** Bytes as base64, with the transfer syntax that their part named; JSON as it is. Buffers are known by their shape. */
const plain = (value) => {
  if (typeof value?.byteLength === 'number') {
    const base64 = Buffer.from(new Uint8Array(value)).toString('base64');
    return value.transferSyntaxUID ? { base64, syntax: value.transferSyntaxUID } : { base64 };
  }
  if (typeof value === 'string' && value.startsWith('[')) return JSON.parse(value);
  return Array.isArray(value) ? value.map(plain) : value;
};

const outcomes = [];
for (const [method, options] of told.calls) {
  const client = new api.DICOMwebClient({
    url: told.url,
    headers: { Authorization: told.token },
    singlepart: options.singlepart ?? '',
  });
  const given = { ...options };
  if (given.files) given.datasets = given.files.map((path) => Uint8Array.from(readFileSync(path)).buffer);
  try {
    if (method === 'wadoURI') {
      const url = client.buildInstanceWadoURIUrl(given).replace('/dicom-web?', '/dicom-web/wado?');
      const answer = await fetch(url, { headers: { Authorization: told.token } });
      outcomes.push({ status: answer.status, value: plain(await answer.arrayBuffer()) });
      continue;
    }
    let value = await client[method](given);
    // As viewers read metadata: natural names, values bare where there is one.
    if (method.endsWith('Metadata')) value = value.map((one) => dcmjs.data.DicomMetaDictionary.naturalizeDataset(one));
    outcomes.push({ value: plain(value) });
  } catch (error) {
    outcomes.push({ error: error.message, status: error.status ?? null });
  }
}
console.log(JSON.stringify(outcomes));
