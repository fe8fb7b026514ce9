/** A view listens to much until its one signal aborts; Node takes more than ten listeners of a signal for a leak. */

import { setMaxListeners } from "node:events";

setMaxListeners(0);
