/** The failures a caller can act on, as the engine throws them: the contract adds nothing and hides nothing. */
export { EngineError, type ErrorCode, errorCodes, isErrorCode, maximumRamBytes } from '../base/errors.ts';
