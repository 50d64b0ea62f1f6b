// Test.
