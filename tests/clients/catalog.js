// A caller in Node, with @grpc/grpc-js and @grpc/proto-loader on proto/ and protocols/: `catalog.js ADDR list|fail|stream`.
//
// Prints what it got as JSON; tests/it/clients compares it. NODE_PATH leads to the packages.
'use strict';

const crypto = require('crypto');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

const KNOWN = '7368dad2-43a3-4359-95c9-2405f700f00e';
const UNKNOWN = '00000000-0000-4000-8000-000000000000';

const includeDirs = ['proto', 'protocols'].map((folder) => path.join(__dirname, '../..', folder));
const definition = loader.loadSync('challenges/catalog/v1/catalog.proto', { includeDirs });
const { ChallengesCatalog } = grpc.loadPackageDefinition(definition).challenges.catalog.v1;

// As much of google/rpc as is read here: grpc-js leaves the details to its callers.
const rpc = protobuf.parse(`
    syntax = "proto3"; package google.rpc;
    message Any { string type_url = 1; bytes value = 2; }
    message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
    message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
    message ResourceInfo { string resource_type = 1; string resource_name = 2; }
`).root;

const deadline = () => ({ deadline: Date.now() + 60_000 });

const unary = (catalog, method, request) => new Promise((resolve, reject) => {
    catalog[method](request, deadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
});

// The first two for beginners, by two pages.
async function lists(catalog) {
    const titles = [];
    let page = { nextPageToken: '' };
    for (let number = 0; number < 2; number += 1) {
        page = await unary(catalog, 'ListChallenges', {
            difficulty: 'DIFFICULTY_BEGINNER', pageSize: 1, pageToken: page.nextPageToken,
        });
        titles.push(...page.challenges.map((challenge) => challenge.title));
    }
    return { total: page.totalCount, titles };
}

// What it tells about a challenge that is not there.
async function fails(catalog) {
    const error = await unary(catalog, 'GetChallenge', { id: UNKNOWN }).then(
        () => { throw new Error('a challenge that nobody made'); },
        (problem) => problem,
    );
    const status = rpc.lookupType('google.rpc.Status').decode(error.metadata.get('grpc-status-details-bin')[0]);
    const found = { code: grpc.status[error.code], message: status.message };
    for (const detail of status.details) {
        const name = detail.typeUrl.split('/')[1];
        const value = rpc.lookupType(name).decode(detail.value);
        if (name === 'google.rpc.ErrorInfo') found.error = `${value.domain} ${value.reason}`;
        if (name === 'google.rpc.ResourceInfo') found.resource = `${value.resourceType} ${value.resourceName}`;
    }
    if (status.code !== error.code || status.message !== error.details) throw new Error('the details tell another error');
    return found;
}

// A tip, as its events say that it is.
async function streams(catalog) {
    let text = '';
    let pieces = 0;
    let done;
    for await (const event of catalog.StreamTips({ challengeId: KNOWN }, deadline())) {
        if (event.reset) text = '';
        if (event.delta) {
            text += event.delta.text;
            pieces += 1;
        }
        if (event.done) done = event.done;
    }
    const hash = crypto.createHash('sha256').update(text).digest();
    if (!hash.equals(done.sha256) || Buffer.byteLength(text) !== Number(done.length)) {
        throw new Error(`done is of another text than ${text}`);
    }
    // An enum is a number until the loader is told otherwise.
    const sources = definition['challenges.catalog.v1.TipSource'].type.value;
    const source = sources.find((value) => value.number === done.source).name;
    return { text, several: pieces > 1, source };
}

async function main([address, step]) {
    const catalog = new ChallengesCatalog(address, grpc.credentials.createInsecure());
    console.log(JSON.stringify(await { list: lists, fail: fails, stream: streams }[step](catalog)));
    catalog.close();
}

main(process.argv.slice(2));
