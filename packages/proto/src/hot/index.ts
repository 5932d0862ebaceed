export {
  readEnd,
  readFixed32,
  readLength,
  readSigned32,
  readSigned64,
  readTag,
  readVarint,
  SATURATED,
  skipField,
} from '../wire/read.js';
export { isValidUtf8, putUtf8, readUtf8, utf8Size } from '../wire/utf8.js';
export {
  lengthFieldSize,
  putBytes,
  putFixed32,
  putFixed64,
  putFloat32,
  putFloat64,
  putLength,
  putSigned32,
  putTag,
  putVarint,
  signed32Size,
  tagSize,
  varintSize,
} from '../wire/write.js';
