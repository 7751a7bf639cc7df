/** Short names for the schemas of the OpenAPI document. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type SecurityEvent = Schemas['SecurityEvent'];
export type Finding = Schemas['Finding'];
export type TrackReason = Schemas['TrackReason'];
export type Action = Schemas['Action'];
export type AttackClass = Schemas['AttackClass'];
export type Track = Schemas['Track'];
export type SeverityBand = Schemas['SeverityBand'];
export type Alert = Schemas['Alert'];
export type AlertState = Schemas['AlertState'];
export type Delivery = Schemas['Delivery'];
export type Bucket = Schemas['Bucket'];
export type Overview = Schemas['Overview'];
export type TrafficTotals = Schemas['TrafficTotals'];
export type HopCount = Schemas['HopCount'];
export type Session = Schemas['SessionInfo'];
export type TrafficTick = Schemas['TrafficTick'];
export type Missed = Schemas['Missed'];
