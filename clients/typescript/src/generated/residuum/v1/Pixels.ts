export interface Pixels {
  'count'?: (number);
  'height'?: (number);
  'width'?: (number);
  'channels'?: (number);
  'data'?: (Buffer | Uint8Array | string);
}

export interface Pixels__Output {
  'count': (number);
  'height': (number);
  'width': (number);
  'channels': (number);
  'data': (Buffer);
}
