export interface LoadModelRequest {
  'bundle'?: (string);
}

export interface LoadModelRequest__Output {
  'bundle': (string);
}
