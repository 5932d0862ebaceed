import { findPythonEnvironment } from './python-environment.mjs';

/** A Python with grpcio, installed on first use: its path, or why there is none. */
export const findPythonGrpc = () =>
  findPythonEnvironment('python', ['grpcio==1.76.0', 'grpcio-tools==1.76.0', 'grpcio-reflection==1.76.0']);
