export interface Heatmap {
  'height'?: (number);
  'width'?: (number);
  'data'?: (Buffer | Uint8Array | string);
}

export interface Heatmap__Output {
  'height': (number);
  'width': (number);
  'data': (Buffer);
}
