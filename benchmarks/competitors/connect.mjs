// The flow on connect-node and protobuf-es, as their documentation shows it.
import http2 from 'node:http2';
import { createClient } from '@connectrpc/connect';
import { connectNodeAdapter, createGrpcTransport } from '@connectrpc/connect-node';
import { GRPCInferenceService, Numerix, Predict, RetrieveFeatureService } from '@inferflow/proto';
import { inferPointWise, useServices } from './flow.mjs';

const env = process.env;
const transport = (port) => createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` });
const store = createClient(RetrieveFeatureService, transport(env.EXTERNAL_SERVICE_ONFS_FS_PORT));
const serving = createClient(GRPCInferenceService, transport(env.EXTERNAL_SERVICE_PREDATOR_PORT));
const compute = createClient(Numerix, transport(env.NUMERIX_CLIENT_V1_PORT));
const storeHeaders = { 'online-feature-store-caller-id': 'inferflow', 'online-feature-store-auth-token': 'inferflow' };
const servingHeaders = { 'predator-caller-id': 'inferflow', 'predator-auth-token': 'inferflow' };
const timeoutMs = 5000;

useServices({
  retrieve: (request) => store.retrieveFeatures(request, { headers: storeHeaders, timeoutMs }),
  infer: (request) => serving.modelInfer(request, { headers: servingHeaders, timeoutMs }),
  compute: (request) => compute.compute(request, { headers: { 'numerix-caller-id': env.APP_NAME }, timeoutMs }),
});
http2
  .createServer(connectNodeAdapter({ routes: (router) => router.service(Predict, { inferPointWise }) }))
  .listen(Number(env.APP_PORT), '127.0.0.1');
