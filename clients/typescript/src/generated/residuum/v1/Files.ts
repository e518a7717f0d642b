export interface Files {
  'files'?: (Buffer | Uint8Array | string)[];
}

export interface Files__Output {
  'files': (Buffer)[];
}
