/** How to speak TLS. Certificates are verified unless `rejectUnauthorized` says otherwise. */
export interface TlsOptions {
  /** Authorities to trust, PEM. @default Node's own list */
  readonly ca?: string | Buffer;
  /** Client certificate and its key, PEM. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** Name that the certificate must carry. @default the host */
  readonly servername?: string;
  /** False accepts any certificate: for tests only. @default true */
  readonly rejectUnauthorized?: boolean;
}
