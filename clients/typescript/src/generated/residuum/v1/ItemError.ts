export interface ItemError {
  'index'?: (number);
  'code'?: (number);
  'message'?: (string);
}

export interface ItemError__Output {
  'index': (number);
  'code': (number);
  'message': (string);
}
