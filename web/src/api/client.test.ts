import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError, call, sentence, setCsrfToken, setSessionEndedHandler } from './client';

const answer = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
  vi.stubGlobal(
    'fetch',
    vi.fn(() => Promise.resolve(new Response(status === 204 ? null : JSON.stringify(body), { status, headers }))),
  );
};
const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApiError)) throw new Error('expected an ApiError');
  return error;
};

afterEach(() => {
  vi.unstubAllGlobals();
  setSessionEndedHandler(() => undefined);
});

describe('calling the API', () => {
  it('carries the CSRF token on calls that change something, and only there', async () => {
    answer(204, null);
    setCsrfToken('token');
    await call('/alerts/1', { method: 'PATCH', body: { state: 'closed' } });
    await call('/alerts');
    const headers = vi.mocked(fetch).mock.calls.map(([, init]) => init?.headers as Record<string, string>);
    expect(headers.map((one) => one['X-CSRF-Token'])).toEqual(['token', undefined]);
  });

  it('notices that the session has ended', async () => {
    const ended = vi.fn();
    setSessionEndedHandler(ended);
    answer(401, { error: { code: 'unauthorized', message: 'log in first' } });
    expect((await failure(call('/events'))).message).toBe('Log in first.');
    expect(ended).toHaveBeenCalledOnce();
  });

  it('does not take a wrong password for an ended session', async () => {
    const ended = vi.fn();
    setSessionEndedHandler(ended);
    answer(401, { error: { code: 'unauthorized', message: 'wrong' } });
    await failure(call('/session', { method: 'POST', body: {}, unauthorizedIsAnAnswer: true }));
    expect(ended).not.toHaveBeenCalled();
  });

  it('says how long to wait', async () => {
    answer(429, { error: { code: 'throttled', message: 'too many' } }, { 'Retry-After': '30' });
    expect((await failure(call('/session', { method: 'POST' }))).retryAfter).toBe(30);
  });

  it('survives answers that are not of the API', async () => {
    vi.stubGlobal(
      'fetch',
      vi.fn(() => Promise.resolve(new Response('<html>', { status: 502 }))),
    );
    expect(await failure(call('/events'))).toMatchObject({ status: 502, code: 'unexpected' });
    vi.stubGlobal(
      'fetch',
      vi.fn(() => Promise.reject(new TypeError('refused'))),
    );
    expect(await failure(call('/events'))).toMatchObject({ status: 0, code: 'network' });
  });
});

describe('sentences', () => {
  it('have a capital and a full stop', () => {
    expect(sentence('parameter `x` is bad')).toBe('Parameter `x` is bad.');
    expect(sentence('Done!')).toBe('Done!');
  });
});
