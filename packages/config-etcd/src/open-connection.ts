import type { EtcdConnection } from './etcd-connection.js';
import { EtcdFailure, type EtcdFailureKind, toEtcdFailure } from './etcd-failure.js';

/** An endpoint that has not answered after this time gets company, so that one that hangs does not cost its whole deadline. */
const STAGGER_MS = 400;

/** What several endpoints failed of is told by the most telling one. */
const telling: readonly EtcdFailureKind[] = ['unauthenticated', 'forbidden', 'tls', 'no-leader', 'timeout', 'unreachable'];

/**
 * Connects to the first endpoint that answers for the cluster, beginning at the given place in the list.
 * @throws EtcdFailure naming every endpoint, if none does
 */
export function openConnection<Connection extends Pick<EtcdConnection, 'check' | 'close'>>(
  endpoints: readonly string[],
  begin: number,
  connect: (endpoint: string) => Connection,
  prefix: string,
): Promise<Connection> {
  const order = endpoints.map((_, index) => endpoints[(begin + index) % endpoints.length] as string);
  return new Promise((resolve, reject) => {
    const failures: EtcdFailure[] = [];
    const open = new Set<Connection>();
    let tried = 0;
    let isSettled = false;
    let stagger: NodeJS.Timeout | undefined;
    const tryNext = (): void => {
      clearTimeout(stagger);
      const endpoint = order[tried];
      if (isSettled || endpoint === undefined) return;
      tried++;
      if (tried < order.length) stagger = setTimeout(tryNext, STAGGER_MS);
      const connection = connect(endpoint);
      open.add(connection);
      connection.check(prefix).then(
        () => succeed(connection),
        (error: unknown) => fail(connection, toEtcdFailure(endpoint, error)),
      );
    };
    const succeed = (connection: Connection): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(stagger);
      for (const other of open) if (other !== connection) other.close();
      resolve(connection);
    };
    const fail = (connection: Connection, failure: EtcdFailure): void => {
      open.delete(connection);
      connection.close();
      failures.push(failure);
      if (isSettled) return;
      if (failures.length < order.length) tryNext();
      else reject(summary(failures));
    };
    tryNext();
  });
}

function summary(failures: readonly EtcdFailure[]): EtcdFailure {
  const [first] = [...failures].sort((left, right) => rank(left) - rank(right));
  if (failures.length === 1 && first !== undefined) return first;
  return new EtcdFailure(first?.kind ?? 'other', failures.map(({ message }) => message).join('; '), { cause: first });
}

function rank({ kind }: EtcdFailure): number {
  const place = telling.indexOf(kind);
  return place < 0 ? telling.length : place;
}
