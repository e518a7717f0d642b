export interface Box {
  'top'?: (number);
  'left'?: (number);
  'height'?: (number);
  'width'?: (number);
}

export interface Box__Output {
  'top': (number);
  'left': (number);
  'height': (number);
  'width': (number);
}
