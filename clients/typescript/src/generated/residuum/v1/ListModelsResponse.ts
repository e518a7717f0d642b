import type { Model as _residuum_v1_Model, Model__Output as _residuum_v1_Model__Output } from '../../residuum/v1/Model.js';

export interface ListModelsResponse {
  'models'?: (_residuum_v1_Model)[];
}

export interface ListModelsResponse__Output {
  'models': (_residuum_v1_Model__Output)[];
}
