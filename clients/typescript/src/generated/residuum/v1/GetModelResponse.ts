import type { Model as _residuum_v1_Model, Model__Output as _residuum_v1_Model__Output } from '../../residuum/v1/Model.js';

export interface GetModelResponse {
  'model'?: (_residuum_v1_Model | null);
  'card'?: (string);
  'manifestJson'?: (string);
}

export interface GetModelResponse__Output {
  'model': (_residuum_v1_Model__Output | null);
  'card': (string);
  'manifestJson': (string);
}
