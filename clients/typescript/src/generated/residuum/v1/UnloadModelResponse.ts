export interface UnloadModelResponse {
}

export interface UnloadModelResponse__Output {
}
