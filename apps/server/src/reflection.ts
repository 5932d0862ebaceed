import { type DescFile, type DescMessage, type DescService, toBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter } from '@connectrpc/connect';
import { file_google_rpc_error_details, ServerReflection, ServerReflectionV1Alpha } from '@inferflow/proto';

/** Serves `grpc.reflection.v1` and `v1alpha` for the given services, themselves included. */
export function addReflection(router: ConnectRouter, services: readonly DescService[]): void {
  const all = [...services, ServerReflection, ServerReflectionV1Alpha];
  const files = new Map<string, DescFile>();
  for (const service of all) collectFiles(service.file, files);
  // No method names these types, but refusals carry them: a client that knows nothing else can read them by reflection.
  collectFiles(file_google_rpc_error_details, files);
  const fileOfSymbol = indexSymbols(files.values());
  const serviceNames = all.map((service) => ({ name: service.typeName }));

  const found = (file: DescFile | undefined, what: string) =>
    file === undefined
      ? { case: 'errorResponse' as const, value: { errorCode: 5, errorMessage: `${what} is not known here` } }
      : { case: 'fileDescriptorResponse' as const, value: { fileDescriptorProto: closure(file) } };

  async function* serverReflectionInfo(requests: AsyncIterable<ReflectionRequest>) {
    for await (const request of requests) {
      const query = request.messageRequest;
      const answer =
        query.case === 'listServices'
          ? { case: 'listServicesResponse' as const, value: { service: serviceNames } }
          : query.case === 'fileByFilename'
            ? found(files.get(String(query.value).replace(/\.proto$/, '')), 'the file')
            : query.case === 'fileContainingSymbol'
              ? found(fileOfSymbol.get(String(query.value)), 'the symbol')
              : { case: 'errorResponse' as const, value: { errorCode: 12, errorMessage: 'extensions do not exist in proto3 services' } };
      yield { validHost: request.host, originalRequest: request as never, messageResponse: answer };
    }
  }
  router.service(ServerReflection, { serverReflectionInfo });
  router.service(ServerReflectionV1Alpha, { serverReflectionInfo });
}

/** What both versions of the protocol have in common. */
interface ReflectionRequest {
  readonly host: string;
  readonly messageRequest: { readonly case: string | undefined; readonly value?: unknown };
}

function collectFiles(file: DescFile, into: Map<string, DescFile>): void {
  if (into.has(file.name)) return;
  into.set(file.name, file);
  for (const dependency of file.dependencies) collectFiles(dependency, into);
}

function indexSymbols(files: Iterable<DescFile>): ReadonlyMap<string, DescFile> {
  const symbols = new Map<string, DescFile>();
  const addMessage = (message: DescMessage, file: DescFile): void => {
    symbols.set(message.typeName, file);
    for (const field of message.fields) symbols.set(`${message.typeName}.${field.name}`, file);
    for (const oneof of message.oneofs) symbols.set(`${message.typeName}.${oneof.name}`, file);
    for (const nested of message.nestedEnums) symbols.set(nested.typeName, file);
    for (const nested of message.nestedMessages) addMessage(nested, file);
  };
  for (const file of files) {
    for (const message of file.messages) addMessage(message, file);
    for (const enumeration of file.enums) symbols.set(enumeration.typeName, file);
    for (const service of file.services) {
      symbols.set(service.typeName, file);
      for (const method of service.methods) symbols.set(`${service.typeName}.${method.name}`, file);
    }
  }
  return symbols;
}

/** The file and everything it imports, so that a client needs one question. */
function closure(file: DescFile): Uint8Array[] {
  const files = new Map<string, DescFile>();
  collectFiles(file, files);
  return [...files.values()].map((each) => toBinary(FileDescriptorProtoSchema, each.proto as FileDescriptorProto));
}
