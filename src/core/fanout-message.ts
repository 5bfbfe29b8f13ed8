import { z } from 'zod';

/** What travels through the queue `fanout`: what is to be done for a parent. Each is safe to do twice. */
export const fanoutMessageSchema = z.object({
  v: z.literal(1),
  /** split: make and publish the branches. deadline: end it if it is time. tidy: cancel what goes on of an ended one. */
  type: z.enum(['split', 'deadline', 'tidy']),
  parentId: z.string().min(1).max(64),
  generation: z.int().min(1),
  tenant: z.string().min(1),
});
export type FanoutMessage = z.infer<typeof fanoutMessageSchema>;

/** The queue that they travel through. */
export const fanoutQueue = 'fanout';
