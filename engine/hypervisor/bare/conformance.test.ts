import { hypervisorConformance } from '../conformance/suite.ts';
import { bareCapabilities, createBareMachine } from './index.ts';
import { interpreterImage } from './testing/interpreter.ts';

const interpreter = interpreterImage();

hypervisorConformance({
  capabilities: bareCapabilities,
  create: (memory) => createBareMachine({ memory, model: 'x86-64-v2', interpreter }),
});
