// The flow on grpc-js, messages by protobuf-es.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import { GRPCInferenceService, Numerix, Predict, RetrieveFeatureService } from '@inferflow/proto';
import { inferPointWise, useServices } from './flow.mjs';

const env = process.env;
const timeoutMs = 5000;

/** A unary method of a service as a function of its request. */
function caller(service, name, port, headers) {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 });
  const { input, output } = service.method[name];
  const path = `/${service.typeName}/${service.method[name].name}`;
  const encode = (message) => Buffer.from(toBinary(input, message));
  const decode = (bytes) => fromBinary(output, bytes);
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  return (request) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        encode,
        decode,
        create(input, request),
        metadata,
        { deadline: Date.now() + timeoutMs },
        (error, answer) => (error ? reject(error) : resolve(answer)),
      );
    });
}

const storeHeaders = { 'online-feature-store-caller-id': 'inferflow', 'online-feature-store-auth-token': 'inferflow' };
const servingHeaders = { 'predator-caller-id': 'inferflow', 'predator-auth-token': 'inferflow' };
useServices({
  retrieve: caller(RetrieveFeatureService, 'retrieveFeatures', env.EXTERNAL_SERVICE_ONFS_FS_PORT, storeHeaders),
  infer: caller(GRPCInferenceService, 'modelInfer', env.EXTERNAL_SERVICE_PREDATOR_PORT, servingHeaders),
  compute: caller(Numerix, 'compute', env.NUMERIX_CLIENT_V1_PORT, { 'numerix-caller-id': env.APP_NAME }),
});

const method = Predict.method.inferPointWise;
const server = new Server({ 'grpc.max_receive_message_length': -1 });
server.addService(
  {
    inferPointWise: {
      path: `/${Predict.typeName}/${method.name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
      requestDeserialize: (bytes) => fromBinary(method.input, bytes),
      responseSerialize: (message) => Buffer.from(toBinary(method.output, create(method.output, message))),
      responseDeserialize: (bytes) => fromBinary(method.output, bytes),
    },
  },
  {
    inferPointWise: (call, answer) => {
      inferPointWise(call.request).then(
        (response) => answer(null, response),
        (error) => answer({ code: 13, message: error.message }),
      );
    },
  },
);
server.bindAsync(`127.0.0.1:${env.APP_PORT}`, ServerCredentials.createInsecure(), () => {});
