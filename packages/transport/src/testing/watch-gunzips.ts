type Zlib = typeof import('node:zlib');

/** What is known of the gunzips that the code under test has made. */
class GunzipWatch {
  made = 0;
  live = 0;
  most = 0;
  /** So many of the next cannot be made. */
  failNext = 0;
  /** Called after one has put out bytes. */
  onBytes: () => void = () => {};

  reset(): void {
    this.made = 0;
    this.live = 0;
    this.most = 0;
    this.failNext = 0;
    this.onBytes = () => {};
  }
}

export const gunzips = new GunzipWatch();

/** `node:zlib` with {@link gunzips} told; for `vi.mock`. */
export function watchedZlib(zlib: Zlib): Zlib {
  const createGunzip: Zlib['createGunzip'] = (options) => {
    if (gunzips.failNext-- > 0) throw new Error('no memory');
    const gunzip = zlib.createGunzip(options);
    gunzips.made++;
    gunzips.live++;
    gunzips.most = Math.max(gunzips.most, gunzips.live);
    let isLive = true;
    const destroy = gunzip.destroy.bind(gunzip);
    gunzip.destroy = (error) => {
      if (isLive) gunzips.live--;
      isLive = false;
      return destroy(error);
    };
    gunzip.on('data', () => setImmediate(() => gunzips.onBytes()));
    return gunzip;
  };
  return { ...zlib, createGunzip };
}
