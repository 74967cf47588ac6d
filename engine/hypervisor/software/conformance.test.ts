import { interpreterImage } from '../bare/testing/interpreter.ts';
import { hypervisorConformance } from '../conformance/suite.ts';
import { createSoftwareMachine, softwareCapabilities } from './index.ts';

const interpreter = interpreterImage();

hypervisorConformance({
  capabilities: softwareCapabilities,
  create: (memory) => createSoftwareMachine({ memory, model: 'x86-64-v2', interpreter }),
});
