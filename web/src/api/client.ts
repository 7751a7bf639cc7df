/**
 * One way to call the API: JSON in and out, the CSRF token on every call that changes something,
 * errors as `ApiError` with the server's own words, and a single place that notices that the session
 * has ended.
 */

/** What the server said was wrong, or why it could not be asked. */
export class ApiError extends Error {
  /** HTTP status; 0 if the server could not be reached. */
  readonly status: number;
  /** Machine-readable code of the server, or `network`. */
  readonly code: string;
  /** Seconds to wait before trying again, where the server says so. */
  readonly retryAfter: number | null;

  constructor(status: number, code: string, message: string, retryAfter: number | null = null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

const BASE = '/api/v1';

let csrfToken = '';
let onSessionEnded: () => void = () => undefined;

/** Sets the token that state-changing requests carry. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** Registers what happens when any call is answered 401. */
export function setSessionEndedHandler(handler: () => void): void {
  onSessionEnded = handler;
}

export interface CallOptions {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** For calls where a 401 is an answer about a password and not about the session. */
  unauthorizedIsAnAnswer?: boolean;
}

/** Calls the API and returns the response once it is known to be a success. */
export async function call(path: string, options: CallOptions = {}): Promise<Response> {
  const method = options.method ?? 'GET';
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET') headers['X-CSRF-Token'] = csrfToken;

  let response: Response;
  try {
    response = await fetch(BASE + path, {
      method,
      headers,
      credentials: 'same-origin',
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ?? null,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'network', 'The console server cannot be reached. Check that Parapet is running and your network.');
  }
  if (response.ok) return response;
  if (response.status === 401 && options.unauthorizedIsAnAnswer !== true) onSessionEnded();
  throw await errorOf(response);
}

/** Calls the API and reads the answer as JSON of the type that the OpenAPI document promises. */
export async function callJson<T>(path: string, options: CallOptions = {}): Promise<T> {
  const response = await call(path, options);
  return (await response.json()) as T;
}

/** The server writes messages as clauses; on screen they are sentences. */
export function sentence(message: string): string {
  const text = message.trim();
  if (text === '') return text;
  const capitalised = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capitalised) ? capitalised : `${capitalised}.`;
}

async function errorOf(response: Response): Promise<ApiError> {
  const seconds = Number.parseInt(response.headers.get('Retry-After') ?? '', 10);
  const retryAfter = Number.isNaN(seconds) ? null : seconds;
  let code = 'unexpected';
  let message = `The server answered ${response.status}${response.statusText === '' ? '' : ` ${response.statusText}`}.`;
  try {
    const body = (await response.json()) as { error?: { code?: unknown; message?: unknown } };
    if (typeof body.error?.code === 'string') code = body.error.code;
    if (typeof body.error?.message === 'string') message = sentence(body.error.message);
  } catch {
    // Not JSON, for example the error page of a proxy in between: the status line is all there is.
  }
  return new ApiError(response.status, code, message, retryAfter);
}
