export { type DetailedRecord, LogTaps, type LogTapsOptions } from './log-taps.js';
export { parseScoringLog } from './parse-scoring-log.js';
export { readDelimited } from './read-delimited.js';
export { ScoringColumnCells, ScoringColumns } from './scoring-column.js';
export type { ScoringBlock, ScoringDetails, ScoringOutcome, ScoringServiceCalls } from './scoring-details.js';
export { SCORING_EVENT_NAME, SCORING_TYPE_URL, ScoringEncoder } from './scoring-encoder.js';
export { createScoringFileSink, type ScoringFileSinkOptions } from './scoring-file-sink.js';
export { ScoringAssembler, type ScoringAssemblerOptions, type ScoringRequest } from './scoring-request.js';
export { UserIdentity, type UserIdentityOptions, type UserIdForm } from './user-identity.js';
