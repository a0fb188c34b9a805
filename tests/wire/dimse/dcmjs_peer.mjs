// dcmjs-dimse as a peer of the node, told what to do in JSON by standard input.
//
// {"do": "ask", "port", "title", "called", "options", "requests": [...]}: all requests over one association; prints
// {"answers": [[response, …] of each request], "arrived": [...], "failure"}.
// {"do": "listen", "title", "folder", "syntaxes", "options", ...}: a provider; prints {"port"}, then a line for each
// thing that it is sent, until standard input ends.
import { createRequire } from 'node:module';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const require = createRequire(new URL('../../../web/package.json', import.meta.url));
const dimse = require('dcmjs-dimse');
const { Client, Dataset, Scp, Server } = dimse;
const { PresentationContext } = dimse.association;
const { PresentationContextResult, SopClass, Status, TransferSyntax, UserIdentityType } = dimse.constants;
const { requests, responses } = dimse;
dimse.log.setLevel('silent');

/** A data set as JSON: bulk values by their length, the rest as dcmjs names it. */
const plain = (dataset) =>
  dataset &&
  JSON.parse(
    JSON.stringify(dataset.getElements(), (name, value) => {
      if (name === '_vrMap' || name === '_meta') return undefined;
      return value instanceof ArrayBuffer || ArrayBuffer.isView(value) ? { bytes: value.byteLength } : value;
    }),
  );

const said = (response) => ({
  status: response.getStatus(),
  comment: response.getErrorComment() ?? '',
  data: plain(response.getDataset()),
  counts: response.getCompleted && [
    response.getRemaining(),
    response.getCompleted(),
    response.getFailures(),
    response.getWarnings(),
  ],
});

const withFiles = (options = {}) => {
  const security = options.securityOptions;
  if (!security) return options;
  const read = Object.fromEntries(['key', 'cert', 'ca'].filter((one) => security[one]).map((one) => [one, readFileSync(security[one])]));
  return { ...options, securityOptions: { ...security, ...read } };
};

const MAKERS = {
  echo: () => new requests.CEchoRequest(),
  store: ({ path, syntaxes = [] }) => {
    const request = new requests.CStoreRequest(path);
    request.setAdditionalTransferSyntaxes(syntaxes);
    return request;
  },
  studies: ({ keys }) => requests.CFindRequest.createStudyFindRequest(keys),
  series: ({ keys }) => requests.CFindRequest.createSeriesFindRequest(keys),
  images: ({ keys }) => requests.CFindRequest.createImageFindRequest(keys),
  worklist: ({ keys }) => requests.CFindRequest.createWorklistFindRequest(keys),
  move: ({ destination, study }) => requests.CMoveRequest.createStudyMoveRequest(destination, study),
  get: ({ study, series, instance }) => {
    const request = instance
      ? requests.CGetRequest.createImageGetRequest(study, series, instance)
      : requests.CGetRequest.createStudyGetRequest(study);
    request.setAddStorageSopClassesToAssociation(true);
    return request;
  },
  create: ({ sopClass, uid, data }) => withData(new requests.NCreateRequest(sopClass, uid), data),
  set: ({ sopClass, uid, data, meta }) => withData(new requests.NSetRequest(sopClass, uid, meta), data),
  attributes: ({ sopClass, uid, names, meta }) => new requests.NGetRequest(sopClass, uid, names, meta),
  action: ({ sopClass, uid, type, data, meta }) =>
    withData(new requests.NActionRequest(sopClass, uid, type, meta), data),
};

function withData(request, data) {
  if (data) request.setDataset(new Dataset(data));
  return request;
}

async function ask(told) {
  const client = new Client();
  const answers = [];
  const arrived = [];
  let failure = null;
  for (const one of told.requests) {
    const request = MAKERS[one.make](one);
    const heard = [];
    answers.push(heard);
    request.on('response', (response) => {
      heard.push(said(response));
      if (one.cancelAfter === heard.length) client.cancel(request);
    });
    client.addRequest(request);
  }
  for (const one of told.contexts ?? []) {
    const context = new PresentationContext(0, one.sopClass);
    for (const syntax of one.syntaxes) context.addTransferSyntaxUid(syntax);
    client.addAdditionalPresentationContext(context, true);
  }
  client.on('cStoreRequest', (request, callback) => {
    const dataset = request.getDataset();
    const uid = dataset.getElement('SOPInstanceUID');
    arrived.push({ uid, syntax: dataset.getTransferSyntaxUid(), data: plain(dataset) });
    if (told.folder) dataset.toFile(join(told.folder, uid));
    const response = responses.CStoreResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  });
  // A provider may send its report over the association that asked, before this side releases it.
  client.on('nEventReportRequest', (request, callback) => {
    arrived.push({ event: request.getEventTypeId(), data: plain(request.getDataset()) });
    const response = responses.NEventReportResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  });
  client.on('associationRejected', (why) => (failure = { rejected: why }));
  client.on('networkError', (error) => (failure = { error: error.message }));
  let accepted = null;
  client.on('associationAccepted', (association) => {
    accepted = {
      identity: association.getNegotiateUserIdentityServerResponse(),
      contexts: association.getPresentationContexts().map(({ id }) => {
        const context = association.getPresentationContext(id);
        return [context.getAbstractSyntaxUid(), context.getResult(), context.getAcceptedTransferSyntaxUid() ?? null];
      }),
    };
  });
  const closed = new Promise((resolve) => client.on('closed', resolve));
  client.send('127.0.0.1', told.port, told.title, told.called ?? 'WETREAD', withFiles(told.options));
  await closed;
  console.log(JSON.stringify({ answers, arrived, accepted, failure }));
}

function listen(told) {
  const tell = (what) => console.log(JSON.stringify(what));
  class Provider extends Scp {
    associationRequested(association) {
      this.association = association;
      tell({ association: [association.getCallingAeTitle(), association.getCalledAeTitle()] });
      if (association.getNegotiateUserIdentity() && association.getUserIdentityPositiveResponseRequested()) {
        association.setUserIdentityServerResponse('');
        association.setNegotiateUserIdentityServerResponse(true);
      }
      if (told.pdu) association.setMaxPduLength(told.pdu);
      for (const { id } of association.getPresentationContexts()) {
        const context = association.getPresentationContext(id);
        const offered = context.getTransferSyntaxUids();
        const chosen = told.syntaxes.find((one) => offered.includes(one));
        if (chosen) context.setResult(PresentationContextResult.Accept, chosen);
        else context.setResult(PresentationContextResult.RejectTransferSyntaxesNotSupported);
      }
      this.sendAssociationAccept();
    }

    // What comes is kept byte for byte, beside what dcmjs reads of it.
    createStoreWritableStream(context, request) {
      const made = super.createStoreWritableStream(context, request);
      this.uid = request.getAffectedSopInstanceUid();
      return made;
    }

    createDatasetFromStoreWritableStream(writable, context, callback) {
      writeFileSync(join(told.folder, this.uid), writable.toBuffer());
      super.createDatasetFromStoreWritableStream(writable, context, callback);
    }

    answer(kind, request, callback, response) {
      tell({ [kind]: plain(request.getDataset()) ?? null, uid: request.getAffectedSopInstanceUid() });
      response.setStatus(Status.Success);
      callback(response);
    }

    cEchoRequest(request, callback) {
      this.answer('echo', request, callback, responses.CEchoResponse.fromRequest(request));
    }

    cStoreRequest(request, callback) {
      const dataset = request.getDataset();
      tell({ stored: request.getAffectedSopInstanceUid(), syntax: dataset.getTransferSyntaxUid(), data: plain(dataset) });
      const response = responses.CStoreResponse.fromRequest(request);
      response.setStatus(told.status ?? Status.Success);
      callback(response);
    }

    cFindRequest(request, callback) {
      tell({ find: plain(request.getDataset()) });
      const found = (told.matches ?? []).map((match) => {
        const response = responses.CFindResponse.fromRequest(request);
        response.setDataset(new Dataset(match));
        response.setStatus(Status.Pending);
        return response;
      });
      const last = responses.CFindResponse.fromRequest(request);
      last.setStatus(Status.Success);
      callback([...found, last]);
    }

    cMoveRequest(request, callback) {
      tell({ move: plain(request.getDataset()), destination: request.getCommandDataset().getElement('MoveDestination') });
      const last = responses.CMoveResponse.fromRequest(request);
      last.setRemaining(0);
      last.setCompleted(3);
      last.setWarnings(0);
      last.setFailures(0);
      last.setStatus(Status.Success);
      callback([last]);
    }

    nCreateRequest(request, callback) {
      this.answer('create', request, callback, responses.NCreateResponse.fromRequest(request));
    }

    nSetRequest(request, callback) {
      tell({ set: plain(request.getDataset()), uid: request.getRequestedSopInstanceUid() });
      const response = responses.NSetResponse.fromRequest(request);
      response.setStatus(Status.Success);
      callback(response);
    }

    nActionRequest(request, callback) {
      tell({ action: plain(request.getDataset()), type: request.getActionTypeId() });
      const response = responses.NActionResponse.fromRequest(request);
      response.setStatus(Status.Success);
      callback(response);
      const data = request.getDataset().getElements();
      const report = new requests.NEventReportRequest(SopClass.StorageCommitmentPushModel, request.getRequestedSopInstanceUid(), 1);
      report.setDataset(new Dataset({ TransactionUID: data.TransactionUID, ReferencedSOPSequence: data.ReferencedSOPSequence }));
      report.on('response', (answer) => tell({ reported: answer.getStatus() }));
      this.sendRequests(report);
    }

    nEventReportRequest(request, callback) {
      tell({ event: request.getEventTypeId(), data: plain(request.getDataset()) });
      const response = responses.NEventReportResponse.fromRequest(request);
      response.setStatus(Status.Success);
      callback(response);
    }

    associationReleaseRequested() {
      this.sendAssociationReleaseResponse();
    }

    abort(source, reason) {
      tell({ aborted: [source, reason] });
    }
  }
  const server = new Server(Provider);
  server.on('networkError', (error) => tell({ failure: error.message }));
  server.on('listening', () => tell({ port: server.server.address().port }));
  server.listen(0, withFiles(told.options));
}

const lines = createInterface({ input: process.stdin });
lines.once('line', (line) => {
  const told = JSON.parse(line);
  if (told.do === 'listen') {
    listen(told);
    lines.on('close', () => process.exit(0));
  } else {
    // A pipe takes 64 kB at a time: what was told is told to its end before the process goes.
    ask(told).then(() => process.stdout.write('', () => process.exit(0)));
  }
});
