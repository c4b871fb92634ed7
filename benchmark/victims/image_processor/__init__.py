"""The image processor of a Hugging Face folder: read as data, made differentiable, and compared with the library's."""
