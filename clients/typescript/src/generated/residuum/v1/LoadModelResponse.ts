import type { Model as _residuum_v1_Model, Model__Output as _residuum_v1_Model__Output } from '../../residuum/v1/Model.js';

export interface LoadModelResponse {
  'model'?: (_residuum_v1_Model | null);
}

export interface LoadModelResponse__Output {
  'model': (_residuum_v1_Model__Output | null);
}
