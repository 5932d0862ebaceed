// RFC 7541 appendix A: index, name, value. Index 1 is the first line.
const lines = `:authority
:method|GET
:method|POST
:path|/
:path|/index.html
:scheme|http
:scheme|https
:status|200
:status|204
:status|206
:status|304
:status|400
:status|404
:status|500
accept-charset
accept-encoding|gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`.split('\n');

/** Names of the static table; the field with index `i` is at `i − 1`. */
export const staticNames: readonly string[] = lines.map((line) => line.split('|')[0]!);

/** Values of the static table, empty where the table has only a name. */
export const staticValues: readonly string[] = lines.map((line) => line.split('|')[1] ?? '');

/** Indexes that constant header blocks are made of. */
export const StaticIndex = {
  AUTHORITY: 1,
  METHOD_POST: 3,
  PATH: 4,
  SCHEME_HTTP: 6,
  SCHEME_HTTPS: 7,
  STATUS_200: 8,
  CONTENT_TYPE: 31,
} as const;

/** Dynamic table size update to 0: the first byte of a block when the peer has to be told that our table is empty for good. */
export const emptyTable = 0x20;
