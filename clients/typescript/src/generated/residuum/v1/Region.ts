export interface Region {
  'left'?: (number);
  'top'?: (number);
  'width'?: (number);
  'height'?: (number);
  'area'?: (number);
  'score'?: (number | string);
  'pValue'?: (number | string);
  '_pValue'?: "pValue";
}

export interface Region__Output {
  'left': (number);
  'top': (number);
  'width': (number);
  'height': (number);
  'area': (number);
  'score': (number);
  'pValue'?: (number);
  '_pValue'?: "pValue";
}
